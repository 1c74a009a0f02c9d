"""Writer of Schiller XML, as SEMA exports an AT-110."""

from writing.signals import Counts

PATIENT = """<id>4711</id><lastname>Doe</lastname><firstname/><birthdate>19400302</birthdate>
<gender>FEMALE</gender>"""
_ROOT = "com.xiriuz.sema.xml.schillerEDI.SchillerEDI"


def schiller(
    leads: Counts,
    rate: str = "500",
    step: str = "1.0",
    unit: str = "UV",
    patient: str = PATIENT,
) -> bytes:
    """Write a file in UTF-8 with its mark; averages under the same names come first."""
    beat = {name: values[: values.size // 2] + 1 for name, values in leads.items()}
    text = f"""\ufeff<?xml version="1.0" encoding="UTF-8"?>
<{_ROOT}><patdata>{patient}</patdata>
<examdescript><startdatetime><date>20000102</date><time>120000000</time></startdatetime>
<aquiringdevice><hardware><vendor>Schiller</vendor><model>AT-110</model></hardware>
</aquiringdevice></examdescript>
<eventdata><event>
{_waves("ECG_AVERAGES", beat, rate, step, unit)}
{_waves("ECG_RHYTHMS", leads, rate, step, unit)}
<annotation_global><name>HR</name><value>59</value></annotation_global>
<annotation_global><name>BP_D</name><value> -</value></annotation_global>
<textdata><type>INTERPRETATION</type><textdata>Sinus rhythm
Normal ECG
</textdata></textdata>
<textdata><type>MEDICATION</type><textdata>none</textdata></textdata>
</event></eventdata></{_ROOT}>
"""
    return text.encode()


def _waves(kind: str, leads: Counts, rate: str, step: str, unit: str) -> str:
    channels = "\n".join(
        f"""<channel><name>{name.upper()}</name><data>{",".join(map(str, values))}</data>
<datastype>COMMASEPARATE</datastype><samplecount>{values.size}</samplecount></channel>"""
        for name, values in leads.items()
    )
    return f"""<wavedata><type>{kind}</type><resolution>
<samplerate><exponent>1</exponent><value>{rate}</value></samplerate>
<yres><unitperbit>{step}</unitperbit><units>{unit}</units></yres></resolution>
{channels}<channelconfiguration>ECG_STANDARD</channelconfiguration></wavedata>"""
