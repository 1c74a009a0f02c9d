"""The report: tables, figures and a page, from result files alone."""

from myocard.report.page import write_report as write_report
