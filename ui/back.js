// One press of Back leads to the page that was left, as it was. So a control that is moved on a page
// is no entry of its own: Streamlit makes one of some of them, and Back would only undo the address.
// On a click in the navigation Streamlit first takes the leaving page's choices out of the address:
// so a shorter address of the same page waits a moment, and goes when another page follows.
(() => {
  if (window.ambientBack) return;
  window.ambientBack = true;
  const places = ["mine", "another", "at", "room"]; // each value is a view of its own
  const push = history.pushState.bind(history);
  const count = (url) => [...url.searchParams].length;
  const place = (url) => places.map((name) => url.searchParams.get(name)).join();
  let waiting;
  history.pushState = (state, unused, url) => {
    clearTimeout(waiting);
    const [to, from] = [new URL(url ?? "", location.href), new URL(location.href)];
    const same = to.pathname === from.pathname;
    const moved = same && place(to) === place(from);
    const go = () => (moved ? history.replaceState(state, unused, url) : push(state, unused, url));
    if (same && count(to) < count(from)) waiting = setTimeout(go, 500);
    else go();
  };
})();
