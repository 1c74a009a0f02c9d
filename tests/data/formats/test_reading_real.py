"""Every kind of real WFDB file against the ``wfdb`` package, sample by sample."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from myocard.data.formats.reading import read

KINDS = (
    "ptbxl/records100",
    "ptbxl/records500",
    "ptbxl_z/records100",
    "cinc2011",
    "chapman_sample/WFDBRecords",
    "cinc2021_sample",
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_real_record_reads_as_the_wfdb_package_reads_it(real_data: Path, kind: str) -> None:
    headers = sorted((real_data / kind).rglob("*.hea"))
    assert headers
    for header in headers[:: max(1, len(headers) // 12)]:
        record, oracle = read(header), wfdb.rdrecord(str(header.with_suffix("")))
        assert record.rate == oracle.fs
        assert [lead.lower() for lead in record.leads] == [n.lower() for n in oracle.sig_name]
        assert record.unit.lower() == oracle.units[0].lower()
        np.testing.assert_allclose(record.signal, oracle.p_signal.T, rtol=2e-7, atol=0)
