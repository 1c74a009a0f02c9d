"""Writer of GE CardioSoft XML: a strip of rest, or strips of an exercise test."""

from writing.signals import Counts

PATIENT = """<PID>4711</PID><Name><FamilyName>Doe</FamilyName><GivenName>Jo</GivenName></Name>
<Age units="YEARS">18</Age><Gender>FEMALE</Gender>
<BirthDateTime><Day>2</Day><Month>3</Month><Year>1940</Year></BirthDateTime>"""


def cardiosoft(
    leads: Counts,
    rate: str = "500",
    step: str = "5",
    patient: str = PATIENT,
    within: str = "",
    strips: int = 1,
) -> bytes:
    """Write ``strips`` strips, within an element or not; a median beat comes first."""
    beat = {name: values[: values.size // 2] + 1 for name, values in leads.items()}
    strip = f"<StripData>{_samples(leads, rate, step)}</StripData>"
    strip = f"<{within}>{strip}</{within}>" if within else strip
    text = f"""<?xml version="1.0" encoding="ISO-8859-1" ?>
<CardiologyXML><ObservationType>RestECG</ObservationType>
<ObservationDateTime><Hour>1</Hour><Minute>2</Minute><Second>3</Second>
<Day>4</Day><Month>5</Month><Year>2000</Year></ObservationDateTime>
<ClinicalInfo><DeviceInfo><Desc>CardioSoft</Desc></DeviceInfo></ClinicalInfo>
<PatientInfo>{patient}</PatientInfo>
<Interpretation><Diagnosis><DiagnosisText>Sinus rhythm: grö\xdfer</DiagnosisText></Diagnosis>
</Interpretation>
<RestingECGMeasurements><VentricularRate units="BPM">42</VentricularRate>
<PQInterval units="ms">250</PQInterval><TAxis units="degrees"></TAxis>
<MedianSamples>{_samples(beat, rate, step)}</MedianSamples></RestingECGMeasurements>
{strip * strips}
<FullDisclosure><NumberOfChannels>{len(leads)}</NumberOfChannels></FullDisclosure>
</CardiologyXML>
"""
    return text.encode("iso-8859-1")


def _samples(leads: Counts, rate: str, step: str) -> str:
    samples = next(iter(leads.values())).size
    rows = "\n".join(
        f'<WaveformData lead="{name}">\t\t\t{_lines(values.tolist())}</WaveformData>'
        for name, values in leads.items()
    )
    return f"""<NumberOfLeads>{len(leads)}</NumberOfLeads><SampleRate units="Hz">{rate}</SampleRate>
<ChannelSampleCountTotal>{samples}</ChannelSampleCountTotal>
<Resolution units="uVperLsb">{step}</Resolution>
{rows}"""


def _lines(values: list[int]) -> str:
    """Commas between numbers, and a line end after a comma now and then."""
    texts = [f"{value}\n\t\t\t" if at % 20 == 0 else str(value) for at, value in enumerate(values)]
    return ",".join(texts).replace("\n\t\t\t,", ",\n\t\t\t")
