"""From result files to one page: figures, tables, and what they say."""

from myocard.report.report import write_report as write_report
