"""The one error a person is meant to read."""


class InputError(ValueError):
    """Unusable input: what was given, what was expected, what to do, in one line.

    The command line prints it and exits with status 2; a page shows it in place.
    """
