"""Writer of HL7 annotated ECGs, with the prefixes, comments and beats that carts write."""

import re
import textwrap

from writing.signals import Counts

PERSON = """<name>Doe</name><administrativeGenderCode code="F"/><birthTime value="19400302"/>"""


def aecg(
    leads: Counts,
    increment: tuple[str, str] = ("0.002", "s"),
    scale: tuple[str, str] = ("5", "uV"),
    origin: tuple[str, str] = ("0", "uV"),
    times: str = "TIME_ABSOLUTE",
    person: str = PERSON,
    prefix: str = "",
) -> bytes:
    """Write whole numbers; a representative beat under the same codes follows."""
    beat = {name: values[: values.size // 2] + 1 for name, values in leads.items()}
    space = f"xmlns:{prefix}" if prefix else "xmlns"
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- Written for tests -->
<AnnotatedECG {space}="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<effectiveTime><low value="20000102120000"/></effectiveTime>
<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>
<id root="1.2.3" extension="4711"/>
<subjectDemographicPerson>{person}</subjectDemographicPerson>
</trialSubject></subject></subjectAssignment></componentOf></timepointEvent></componentOf>
<controlVariable><relatedObservation><code code="21612-7"/><value value="46" unit="a"/>
</relatedObservation></controlVariable>
<component><series><code code="RHYTHM"/>
<author><seriesAuthor><manufacturedSeriesDevice><manufacturerModelName>ELI250
</manufacturerModelName></manufacturedSeriesDevice></seriesAuthor></author>
<component>{_sequences(leads, increment, scale, origin, times)}</component>
<derivation><derivedSeries><code code="REPRESENTATIVE_BEAT"/>
<component>{_sequences(beat, increment, scale, origin, "TIME_RELATIVE")}</component>
</derivedSeries></derivation>
<subjectOf><annotationSet>
<component><annotation><code code="MDC_ECG_HEART_RATE"/><value value="61" unit="bpm"/>
</annotation></component>
<component><annotation><code code="MDC_ECG_BEAT"/><component><annotation>
<code code="MDC_ECG_TIME_PD_PR"/><value value="99" unit="ms"/></annotation></component>
</annotation></component>
<component><annotation><code code="MDC_ECG_INTERPRETATION"/><component><annotation>
<code code="MDC_ECG_INTERPRETATION_STATEMENT"/><value xsi:type="ST">Rythme régulier</value>
</annotation></component></annotation></component>
</annotationSet></subjectOf>
</series></component></AnnotatedECG>
"""
    if prefix:
        text = re.sub(r"<(/?)(\w)", rf"<\1{prefix}:\2", text)
    return text.encode()


def _sequences(
    leads: Counts,
    increment: tuple[str, str],
    scale: tuple[str, str],
    origin: tuple[str, str],
    times: str,
) -> str:
    kind = "GLIST_TS" if times == "TIME_ABSOLUTE" else "GLIST_PQ"
    rows = "".join(
        f"""<!-- A lead --><component><sequence><code code="MDC_ECG_LEAD_{name.upper()}"/>
<value xsi:type="SLIST_PQ"><origin value="{origin[0]}" unit="{origin[1]}"/>
<scale value="{scale[0]}" unit="{scale[1]}"/>
<digits>{textwrap.fill(" ".join(map(str, values)), 60, break_on_hyphens=False)}
</digits></value></sequence></component>"""
        for name, values in leads.items()
    )
    return f"""<sequenceSet><component><sequence><code code="{times}"/><value xsi:type="{kind}">
<head value="20000102120000"/><increment value="{increment[0]}" unit="{increment[1]}"/></value>
</sequence></component>{rows}</sequenceSet>"""
