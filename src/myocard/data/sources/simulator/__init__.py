"""A labelled ECG simulator: a source that needs no download."""

from myocard.data.sources.simulator.findings import FINDINGS as FINDINGS
from myocard.data.sources.simulator.layouts import LAYOUTS as LAYOUTS
from myocard.data.sources.simulator.layouts import write as write
from myocard.data.sources.simulator.simulation import Simulated as Simulated
from myocard.data.sources.simulator.simulation import simulate as simulate
from myocard.data.sources.simulator.sites import SITES as SITES
from myocard.data.sources.simulator.source import entries as entries
