"""Figures of runs, each a function that draws on axes and returns them.

Every function takes ``ax``: axes of matplotlib, an array of them where it draws several panels, or
None for a new figure. Colours can be told apart by people of every colour vision.
"""

from myocard.plot.classes import layer_classes as layer_classes
from myocard.plot.curves import layer_curve as layer_curve
from myocard.plot.curves import relative_depth as relative_depth
from myocard.plot.forest import gains as gains
from myocard.plot.maps import layer_maps as layer_maps
from myocard.plot.reliability import calibration as calibration
from myocard.plot.weights import gate_over_time as gate_over_time
from myocard.plot.weights import layer_weights as layer_weights
