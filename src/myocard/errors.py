"""The one error that users meet."""


class InputError(ValueError):
    """Error for something from outside that is wrong.

    The message names the file or setting and what would fix it. Programs print it as one line
    and exit with 2.
    """
