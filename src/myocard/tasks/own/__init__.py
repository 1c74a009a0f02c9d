"""Tasks of people's own: from a table of labels to targets, patients and folds."""

from myocard.tasks.own.task import OwnTask as OwnTask
