"""``python -m myocard``, and ``torchrun -m myocard`` on several devices."""

from myocard.cli import main

main()
