"""The command line: `python -m ambient COMMAND --help`.

Progress goes to stderr, results to --json FILE (- is standard output).
Exit status 0: done, 1: the work failed, 2: unusable input, said in one line.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter, ValidationError

from ambient import __version__
from ambient.cli import advise, audit, finetune, judge, share, train
from ambient.cli.options import Flag
from ambient.cli.output import say
from ambient.files import InputError

app = App(
    name="ambient",
    help=__doc__,
    version=__version__,
    default_parameter=Parameter(negative=(), allow_repeating=True),
    help_format="plaintext",
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
)
for _body in (
    share.corpora,
    train.train,
    judge.sample,
    judge.evaluate,
    audit.audit,
    finetune.finetune,
    judge.compare,
    share.sweep,
    judge.curves,
    judge.prompts,
    advise.suggest_cutoff,
    advise.advise,
    share.bench,
    share.export,
    share.push,
    share.pull,
    share.runs,
):
    app.command(_body)


@app.meta.default
def _launch(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    debug: Annotated[Flag, Parameter(help="show the traceback of an error")] = False,
) -> int:
    command = f"ambient {words[0]}" if words else "ambient"
    try:
        app(words)
    except KeyboardInterrupt:
        say("stopped.")
        return 1
    except CycloptsError as e:
        say(f"{command}: {_told(e)}")
        return 2
    except (InputError, FloatingPointError, MemoryError, OSError) as e:
        if debug:
            raise
        say(f"{command}: {e}")
        return 2 if isinstance(e, InputError) else 1
    return 0


def _told(error: CycloptsError) -> str:
    """What is wrong with an option, in one line: what was given, and what was expected."""
    if isinstance(error, ValidationError) and error.argument:
        given = error.argument.tokens[0].value
        return f"{error.argument.name} is {given}; {error.exception_message}"
    return f"{' '.join(str(error).split()).rstrip(' .,')}; see --help"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    words = sys.argv[1:] if argv is None else argv
    # Two threads on small networks spend their time waiting for each other once anything else
    # runs beside them (measured: 100 times slower); ask for more with OMP_NUM_THREADS.
    large = "audit" in words[:1] and (os.cpu_count() or 1) > 1
    os.environ.setdefault("OMP_NUM_THREADS", "2" if large else "1")
    if words[:1] in (["train"], ["audit"]):  # threads that sleep while they wait: beside others
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # two are hardly slower than one
    return int(app.meta(words) or 0)
