"""DICOM waveform objects, by ``pydicom``."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from writing.signals import Counts

_CODES = {"I": 1, "II": 2, "V1": 3, "V2": 4, "V3": 5, "V4": 6, "V5": 7, "V6": 8}
_CODES |= {"III": 61, "aVR": 62, "aVL": 63, "aVF": 64}
_KINDS = {"SS": "<i2", "SL": "<i4", "SB": "<i1"}
PATIENT = {
    "PatientName": "Doe^Jo",
    "PatientID": "4711",
    "PatientBirthDate": "19400302",
    "PatientAge": "060Y",
    "PatientSex": "F",
    "Manufacturer": "Acme",
    "ManufacturerModelName": "M1",
    "AcquisitionDateTime": "20000201120000",
}


def item(**values: Any) -> Dataset:
    dataset = Dataset()
    for name, value in values.items():
        setattr(dataset, name, Items([*value]) if isinstance(value, list | tuple) else value)
    return dataset


def coded(code: str, meaning: str = "", scheme: str = "SCPECG") -> list[Dataset]:
    return [item(CodeValue=code, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def group(
    leads: Counts,
    rate: str = "500",
    step: str = "2.5",
    unit: str = "uV",
    kind: str = "SS",
    originality: str = "ORIGINAL",
    scheme: str = "5.6.3-9-",
    **more: Any,
) -> Dataset:
    """A multiplex group; ``more`` overrides its elements."""
    values = np.stack([*leads.values()], axis=1).astype(_KINDS[kind])
    channels = [channel(lead, step, unit, scheme) for lead in leads]
    said = {
        "WaveformOriginality": originality,
        "NumberOfWaveformChannels": len(leads),
        "NumberOfWaveformSamples": len(values),
        "SamplingFrequency": rate,
        "ChannelDefinitionSequence": channels,
        "WaveformBitsAllocated": 8 * values.dtype.itemsize,
        "WaveformSampleInterpretation": kind,
        "WaveformData": values.tobytes() + bytes(values.nbytes % 2),
    }
    return item(**(said | more))


def channel(
    lead: str, step: str = "2.5", unit: str = "uV", scheme: str = "5.6.3-9-", **more: Any
) -> Dataset:
    source = coded(f"{scheme}{_CODES[lead]}", f"Lead {lead} (Einthoven)")
    said = {"ChannelSourceSequence": source, "WaveformBitsStored": 16, "ChannelSensitivity": step}
    said |= {"ChannelSensitivityCorrectionFactor": "1", "ChannelBaseline": "0"}
    said |= {
        "ChannelSensitivityUnitsSequence": coded(unit, scheme="UCUM"),
        "ChannelSampleSkew": "0",
    }
    return item(**(said | more))


def dicom(
    groups: Sequence[Dataset],
    notes: Sequence[Dataset] = (),
    syntax: str = ExplicitVRLittleEndian,
    undefined: bool = False,
    patient: Mapping[str, str] = PATIENT,
) -> bytes:
    """A file; ``undefined`` writes sequences that end with a mark in place of lengths."""
    dataset = item(SOPClassUID="1.2.840.10008.5.1.4.1.1.9.1.1", **patient)
    dataset.SOPInstanceUID = generate_uid()
    dataset.WaveformSequence = Items([*groups])
    if notes:
        dataset.WaveformAnnotationSequence = Items([*notes])
    if undefined:
        _undefine(dataset)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _undefine(dataset: Dataset) -> None:
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for inner in element.value:
                inner.is_undefined_length_sequence_item = True
                _undefine(inner)
