"""Outcomes: the kinds of answers that tasks ask for, and the form of their targets.

Targets are float64, ``(records, outputs)``; NaN where nothing is known of a record.
"""

from typing import Literal

Outcome = Literal["any", "one", "number", "time"]
"""Kind of a task's outcome.

- ``any``: any number of classes, a sigmoid each; 1 for a positive and 0 for a negative.
- ``one``: exactly one of several classes, one softmax; 1 for the class and 0 for the others.
- ``number``: real numbers, in their own unit.
- ``time``: time to an event, in one unit above 0: positive where the event was seen, negative where
  it had not come when the record was last followed (censored on the right).
"""

CLASSES: tuple[Outcome, ...] = ("any", "one")
"""Outcomes whose outputs are classes and whose scores are probabilities."""
