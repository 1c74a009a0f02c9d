"""Writer of GE MUSE XML, as MUSE 9 exports it."""

import base64
import textwrap
import zlib

import numpy as np
from numpy.typing import NDArray
from writing.signals import Counts

PATIENT = """<PatientID>4711</PatientID><PatientAge>60</PatientAge><AgeUnits>YEARS</AgeUnits>
<DateofBirth>02-03-1940</DateofBirth><Gender>MALE</Gender>
<PatientLastName>Doe</PatientLastName><PatientFirstName>Jo</PatientFirstName>"""
DIAGNOSIS = """<DiagnosisStatement><StmtText>Cannot rule out</StmtText></DiagnosisStatement>
<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>old infarct</StmtText>
</DiagnosisStatement>
<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>Confirmed by Dr. Roe</StmtText>
</DiagnosisStatement>"""


def muse(
    leads: Counts,
    rate: tuple[str, str] = ("500", "0"),
    step: str = "4.88",
    unit: str = "MICROVOLTS",
    patient: str = PATIENT,
    diagnosis: str = DIAGNOSIS,
) -> bytes:
    """Write 16-bit samples; a median beat under the same names of leads comes first."""
    beat = {name: values[: values.size // 2] + 1 for name, values in leads.items()}
    text = f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<!DOCTYPE RestingECG SYSTEM "restecg.dtd">
<RestingECG>
<MuseInfo><MuseVersion>9.0.9.18167</MuseVersion></MuseInfo>
<PatientDemographics>{patient}</PatientDemographics>
<TestDemographics><AcquisitionDevice>MAC55</AcquisitionDevice>
<AcquisitionTime>12:00:00</AcquisitionTime><AcquisitionDate>01-02-2000</AcquisitionDate>
</TestDemographics>
<RestingECGMeasurements><VentricularRate>61</VentricularRate><PRInterval>158</PRInterval>
<QRSDuration/><RAxis>-5</RAxis></RestingECGMeasurements>
<Diagnosis>{diagnosis}</Diagnosis>
<OriginalDiagnosis><DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>Normal</StmtText>
</DiagnosisStatement></OriginalDiagnosis>
{_waveform("Median", beat, rate, step, unit)}
{_waveform("Rhythm", leads, rate, step, unit)}
</RestingECG>
"""
    return text.encode("iso-8859-1")


def _waveform(kind: str, leads: Counts, rate: tuple[str, str], step: str, unit: str) -> str:
    data = "\n".join(_lead(name, values, step, unit) for name, values in leads.items())
    return f"""<Waveform><WaveformType>{kind}</WaveformType>
<NumberofLeads>{len(leads)}</NumberofLeads>
<SampleType>CONTINUOUS_SAMPLES</SampleType><SampleBase>{rate[0]}</SampleBase>
<SampleExponent>{rate[1]}</SampleExponent><HighPassFilter>16</HighPassFilter>
{data}</Waveform>"""


def _lead(name: str, values: NDArray[np.int64], step: str, unit: str) -> str:
    content = values.astype("<i2").tobytes()
    wrapped = textwrap.fill(base64.b64encode(content).decode(), 68)
    return f"""<LeadData><LeadByteCountTotal>{len(content)}</LeadByteCountTotal>
<LeadTimeOffset>0</LeadTimeOffset><LeadSampleCountTotal>{values.size}</LeadSampleCountTotal>
<LeadAmplitudeUnitsPerBit>{step}</LeadAmplitudeUnitsPerBit>
<LeadAmplitudeUnits>{unit}</LeadAmplitudeUnits><LeadID>{name}</LeadID>
<LeadOffsetFirstSample>0</LeadOffsetFirstSample><FirstSampleBaseline>0</FirstSampleBaseline>
<LeadSampleSize>2</LeadSampleSize><LeadOff>FALSE</LeadOff>
<LeadDataCRC32>{zlib.crc32(content)}</LeadDataCRC32>
<WaveFormData>
{wrapped}
</WaveFormData></LeadData>"""
