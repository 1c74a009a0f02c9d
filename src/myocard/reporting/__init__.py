"""From result files to one page: figures, tables, and what they say."""

from myocard.reporting.report import write_report as write_report
