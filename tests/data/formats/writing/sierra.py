"""Writer of Philips Sierra XML in its versions, with the compression XLI."""

import base64
import struct
import textwrap

import numpy as np
from numpy.typing import NDArray
from writing.signals import Counts

PATIENT = """<patientid>4711</patientid>
<name><lastname>Doe</lastname><firstname>Jo</firstname></name>
<age><years>50</years></age><sex>Female</sex>"""
_STATEMENTS = """<statement><leftstatement>Sinus rhythm</leftstatement>
<rightstatement>rate 50-99</rightstatement></statement>"""


def sierra(
    leads: Counts,
    version: str = "1.04.01",
    rate: int = 500,
    step: str = "5",
    patient: str = PATIENT,
) -> bytes:
    """Write 16-bit samples, limb leads as residuals; version 1.04.01 in UTF-16.

    Four rows that have no electrode follow, as carts write them. Twelve leads are written in the
    version 1.03, which does not name them.
    """
    samples = next(iter(leads.values())).size
    content = b"".join(_xli(row) for row in [*_residuals(leads), *[np.zeros(samples, int)] * 4])
    wrapped = textwrap.fill(base64.b64encode(content).decode(), 76)
    milliseconds = f"{samples * 1000 / rate:g}"
    old = version == "1.03"
    attributes = (
        'compressflag="True" compressmethod="XLI" nbitspersample="16" '
        f'durationperchannel="{milliseconds}"'
        if old
        else f'compression="XLI" numberofleads="{len(leads)}" leadlabels="{" ".join(leads)}" '
        f'durationperchannel="{milliseconds}" samplespersecond="{rate}" resolution="{step}" '
        'signaloffset="0" signalsigned="True" bitspersample="16"'
    )
    resolution = "signalresolution" if old else "resolution"
    group = "interpretationmeasurements" if old else "globalmeasurements"
    interval = "meanprint" if old else "print"
    encoding = "utf-16" if version == "1.04.01" else "UTF-8"
    text = f"""<?xml version="1.0" encoding="{encoding}"?>
<restingecgdata xmlns="http://www3.medical.philips.com" status="New">
<documentinfo><documenttype>PhilipsECG</documenttype>
<documentversion>{version}</documentversion></documentinfo>
<dataacquisition date="2000-01-02" time="12:00:00"><machine machineid="0">PageWriter</machine>
<signalcharacteristics><samplingrate>{rate}</samplingrate><{resolution}>{step}</{resolution}>
<acquisitiontype>STD-12</acquisitiontype><bitspersample>16</bitspersample>
<signaloffset>0</signaloffset><signalsigned>True</signalsigned>
<numberchannelsvalid>{len(leads)}</numberchannelsvalid></signalcharacteristics></dataacquisition>
<patient><generalpatientdata>{patient}</generalpatientdata></patient>
<interpretations><interpretation><{group}><heartrate>61</heartrate><{interval}>151</{interval}>
<pfrontaxis>Failed</pfrontaxis></{group}>{_STATEMENTS}</interpretation></interpretations>
<waveforms><parsedwaveforms dataencoding="Base64" {attributes}>
{wrapped}
</parsedwaveforms>
<repbeats dataencoding="Base64" samplespersec="1000" resolution="2.5" repbeatmethod="mean">
<repbeat leadname="I"><waveform duration="2">AAABAA==</waveform></repbeat></repbeats>
</waveforms></restingecgdata>
"""
    return text.encode(encoding)


def _residuals(leads: Counts) -> list[NDArray[np.int64]]:
    rows = {name: values.astype(np.int64) for name, values in leads.items()}
    if "III" in leads:
        one, two, three = leads["I"], leads["II"], leads["III"]
        rows["III"] = two - one - three
        rows["aVR"] = -leads["aVR"] - np.floor((one + two) / 2).astype(int)
        rows["aVL"] = np.floor((one - three) / 2).astype(int) - leads["aVL"]
        rows["aVF"] = np.floor((two + three) / 2).astype(int) - leads["aVF"]
    return list(rows.values())


def _xli(samples: NDArray[np.int64]) -> bytes:
    """Difference twice, keep words of 16 bits apart in high and low bytes, and compress."""
    values = samples.tolist()
    first, *later = (-np.diff(samples, 2)).tolist() or [0]
    words = [*values[:2], *(difference + 64 for difference in later), 64][: len(values)]
    packed = [struct.pack(">h", word) for word in words]
    content = _lzw(b"".join(word[:1] for word in packed) + b"".join(word[1:] for word in packed))
    return struct.pack("<ihh", len(content), 1, first) + content


def _lzw(content: bytes) -> bytes:
    """Compress by codes of 10 bits, with a table that stays once it has 1023 entries."""
    table = {bytes([value]): value for value in range(256)}
    codes, run = [], b""
    for value in content:
        longer = run + bytes([value])
        if longer in table:
            run = longer
            continue
        codes.append(table[run])
        if len(table) < 1023:
            table[longer] = len(table)
        run = bytes([value])
    bits = "".join(f"{code:010b}" for code in [*codes, table[run], 1023])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")
