"""What a benchmark compares: stores, encoders and sweeps of probes, read from one TOML file."""

from myocard.grid.reading import read_grid as read_grid
from myocard.grid.reading import shipped as shipped
from myocard.grid.settings import Transfer as Transfer
from myocard.grid.trials import Condition as Condition
from myocard.grid.trials import Grid as Grid
from myocard.grid.trials import TokenTrial as TokenTrial
from myocard.grid.trials import Trial as Trial
from myocard.grid.trials import Yardstick as Yardstick
