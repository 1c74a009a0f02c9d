"""A labelled ECG simulator: a source that needs no download."""

from myocard.simulation.findings import FINDINGS as FINDINGS
from myocard.simulation.layouts import LAYOUTS as LAYOUTS
from myocard.simulation.layouts import write as write
from myocard.simulation.simulation import Simulated as Simulated
from myocard.simulation.simulation import simulate as simulate
from myocard.simulation.sites import SITES as SITES
from myocard.simulation.source import entries as entries
