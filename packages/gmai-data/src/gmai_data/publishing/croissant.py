"""Croissant 1.0 metadata of a release (mlcommons.org/croissant): every file with its digest, every table's columns."""

from collections.abc import Sequence
from typing import Any

from gmai_data.publishing.card import licences_of
from gmai_data.publishing.facts import ReleaseFacts
from gmai_data.publishing.sub_datasets import TABLE_6
from gmai_data.tables import ANNOTATIONS, QUESTIONS, SAMPLES
from gmai_data.untyped import pa

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_PARQUET = "application/x-parquet"


def croissant(facts: ReleaseFacts) -> dict[str, Any]:
    """Return the JSON-LD of a release; file paths are relative to the file it is written to."""
    tables: list[tuple[str, str, str, Any]] = [
        (TABLE_6[name][0], f"samples/{name}/*.parquet", "Conversations, one a row.", SAMPLES) for name in facts.samples
    ]
    if facts.annotations:
        tables.append(("annotations", "annotations/*.parquet", "Annotated images, one a row.", ANNOTATIONS))
    if facts.questions:
        tables.append(("held_out", "benchmarks/*.parquet", "Held-out questions, one a row.", QUESTIONS))
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "gmai-vl-style-medical-instruction-data",
        "description": f"{facts.total} instruction samples on {facts.annotations} annotated medical images.",
        "license": licences_of(facts),
        "citeAs": " ".join(sorted({str(recipe["citation"]) for recipe in facts.recipes.values()})),
        "inLanguage": sorted(facts.counted["language"]),
        "isLiveDataset": False,
        "rai:dataCollection": "Existing datasets, read with gmai-data; each row names its source and provenance.",
        "rai:dataAnnotationProtocol": "Labels and boxes are the sources' own; masks became bounding boxes.",
        "rai:dataUseCases": "Research on medical vision-language models. Not for clinical use.",
        "rai:personalSensitiveInformation": "Pictures of patients, without headers, as de-identified by the sources.",
        "distribution": [
            *(_file(path, size_bytes, digest) for path, (size_bytes, digest) in facts.files.items()),
            *(
                {
                    "@type": "cr:FileSet", "@id": f"{name}-files", "name": f"{name}-files",
                    "description": f"The Parquet files of {name}.", "encodingFormat": _PARQUET, "includes": pattern,
                }
                for name, pattern, _, _ in tables
            ),
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet", "@id": name, "name": name, "description": description,
                "key": {"@id": f"{name}/id"}, "field": _fields(name, schema),
            }
            for name, _, description, schema in tables
        ],
    }  # fmt: skip


def _file(path: str, size_bytes: int, digest: str) -> dict[str, Any]:
    form = _PARQUET if path.endswith(".parquet") else "application/yaml"
    return {
        "@type": "cr:FileObject", "@id": path, "name": path, "contentUrl": path, "contentSize": f"{size_bytes} B",
        "encodingFormat": form, "sha256": digest,
    }  # fmt: skip


def _fields(name: str, schema: Any) -> list[dict[str, Any]]:
    return [_field(f"{name}/{column.name}", f"{name}-files", [column.name], column.type) for column in schema]


def _field(field_id: str, files: str, path: Sequence[str], kind: Any) -> dict[str, Any]:
    field: dict[str, Any] = {"@type": "cr:Field", "@id": field_id, "name": field_id}
    if pa.types.is_list(kind):
        field["repeated"] = True
        kind = kind.value_type
    if pa.types.is_struct(kind):
        source = {"fileSet": {"@id": files}, "extract": {"column": path[0]}}
        if [part.name for part in kind] == ["bytes", "path"]:
            return {**field, "dataType": "sc:ImageObject", "source": source | {"transform": {"jsonPath": "bytes"}}}
        return {
            **field,
            "source": source,
            "subField": [_field(f"{field_id}/{part.name}", files, [*path, part.name], part.type) for part in kind],
        }
    source = {"fileSet": {"@id": files}, "extract": {"column": path[0]}}
    if len(path) > 1:
        source["transform"] = {"jsonPath": ".".join(path[1:])}
    return {**field, "dataType": "sc:Integer" if pa.types.is_integer(kind) else "sc:Text", "source": source}
