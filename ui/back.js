// One press of Back leads to the page that was left, as it was. On a click in the navigation
// Streamlit first takes the leaving page's choices out of the address, as an entry of its own:
// so a shorter address of the same page waits a moment, and goes when another page follows.
(() => {
  if (window.ambientBack) return;
  window.ambientBack = true;
  const push = history.pushState.bind(history);
  const count = (url) => [...url.searchParams].length;
  let waiting;
  history.pushState = (state, unused, url) => {
    clearTimeout(waiting);
    const to = new URL(url ?? "", location.href);
    const same = to.pathname === location.pathname;
    if (same && count(to) < count(new URL(location.href)))
      waiting = setTimeout(() => push(state, unused, url), 500);
    else push(state, unused, url);
  };
})();
