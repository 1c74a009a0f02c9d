"""Settings of every program: TOML in, validated and frozen models out."""

from myocard.recipe.evaluation import BaselineRecipe as BaselineRecipe
from myocard.recipe.evaluation import Evaluation as Evaluation
from myocard.recipe.evaluation import FinetuneRecipe as FinetuneRecipe
from myocard.recipe.evaluation import NetworkRecipe as NetworkRecipe
from myocard.recipe.evaluation import ProbeRecipe as ProbeRecipe
from myocard.recipe.evaluation import RocketRecipe as RocketRecipe
from myocard.recipe.evaluation import Split as Split
from myocard.recipe.evaluation import check_baseline as check_baseline
from myocard.recipe.evaluation import read_baseline as read_baseline
from myocard.recipe.inputs import read_input as read_input
from myocard.recipe.pretraining import PRESETS as PRESETS
from myocard.recipe.pretraining import CorpusPart as CorpusPart
from myocard.recipe.pretraining import InputSettings as InputSettings
from myocard.recipe.pretraining import Optimisation as Optimisation
from myocard.recipe.pretraining import PretrainRecipe as PretrainRecipe
from myocard.recipe.settings import Settings as Settings
from myocard.recipe.settings import check as check
from myocard.recipe.settings import choose as choose
from myocard.recipe.settings import read_recipe as read_recipe
from myocard.recipe.settings import without_pace as without_pace
