"""Define-XML 2.1: what every data set, variable, value and result of a submission is, for people and machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from trials.errors import TrialError
from trials.evidence import terminology
from trials.evidence.table import Table
from trials.evidence.transport import limits
from trials.evidence.transport.results import Display

if TYPE_CHECKING:
    from trials.evidence.transport.metadata.items import Parts

type Standard = Literal["sdtm", "adam"]

STYLESHEET = "define2-1.xsl"


class Guide(NamedTuple):
    """An implementation guide: its name in Define-XML, its version, and the purpose of its data sets."""

    name: str
    version: str
    purpose: str


GUIDES: Mapping[str, Guide] = MappingProxyType(
    {"sdtm": Guide("SDTMIG", "3.4", "Tabulation"), "adam": Guide("ADaMIG", "1.3", "Analysis")}
)


def write(
    tables: Sequence[Table],
    path: Path,
    *,
    when: str,
    standard: Standard,
    study: str,
    title: str = "",
    results: Sequence[Display] = (),
    documents: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write a Define-XML with its stylesheet beside it, and check it against the schema.

    Parameters
    ----------
    tables
        Data sets; each has its transport file beside the Define-XML.
    path
        File to write; its bytes depend on the arguments alone.
    when
        Time of creation, ISO 8601 with its time zone.
    standard
        ``sdtm`` or ``adam``.
    study, title
        Study identifier, and what the study is.
    results
        Displays with their results (ADaM).
    documents
        Other documents, such as ``csdrg.pdf``, and their titles.

    Raises
    ------
    TrialError
        When a result or a condition names what is not there, or the file does not hold to the schema.
    """
    root = _document(tables, when, standard, (study, title), (results, documents))
    root.write_xml(str(path))
    text = path.read_text(encoding="utf-8")
    head, _, body = text.partition("?>")
    path.write_text(f'{head}?>\n<?xml-stylesheet type="text/xsl" href="{STYLESHEET}"?>{body}', encoding="utf-8")
    (path.parent / STYLESHEET).write_bytes(files(__package__).joinpath(STYLESHEET).read_bytes())
    validate(path)


def validate(path: Path) -> None:
    """Check a Define-XML against the schema of Define-XML 2.1 with Analysis Results Metadata 1.0.

    Raises
    ------
    TrialError
        With the first fault.
    """
    from odmlib.odm_parser import ODMSchemaValidator

    validator: Any = ODMSchemaValidator(standard="arm", version="1.0-define2.1")
    try:
        validator.validate_file(str(path))
    except ValueError as fault:  # what odmlib's validator raises is one
        where = getattr(fault, "path", "its root")
        raise TrialError(f"{path.name}: {getattr(fault, 'reason', fault)} at {where}") from fault


def _document(
    tables: Sequence[Table],
    when: str,
    standard: Standard,
    study: tuple[str, str],
    rest: tuple[Sequence[Display], Mapping[str, str]],
) -> Any:
    from odmlib.arm_1_0 import model

    name, title = study
    about = f"{title or name}. SIMULATED DATA: virtual subjects, no human being took part."
    names = model.GlobalVariables(
        StudyName=model.StudyName(_content=name),
        StudyDescription=model.StudyDescription(_content=about),
        ProtocolName=model.ProtocolName(_content=name),
    )
    return model.ODM(
        FileOID=f"{name}.{standard}",
        FileType="Snapshot",
        ODMVersion="1.3.2",
        CreationDateTime=limits.clock(when).strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        Originator="Trialtwin",
        SourceSystem="Trialtwin",
        SourceSystemVersion=version("trialtwin"),
        Context="Submission",
        Study=model.Study(
            OID=f"STUDY.{name}", GlobalVariables=names, MetaDataVersion=_metadata(tables, standard, study, rest)
        ),
    )


def _metadata(
    tables: Sequence[Table],
    standard: Standard,
    study: tuple[str, str],
    rest: tuple[Sequence[Display], Mapping[str, str]],
) -> Any:
    from odmlib.arm_1_0 import model

    from trials.evidence.transport.metadata.analyses import displays, leaf
    from trials.evidence.transport.metadata.codes import Codes
    from trials.evidence.transport.metadata.items import Parts

    results, documents = rest
    guide = GUIDES[standard]
    parts = Parts("STD.IG", "STD.CT", guide.purpose, Codes("STD.CT"))
    groups = [parts.data_set(table) for table in tables]
    shown = displays(results, {one.name: one for one in tables}, parts.clauses) if results else None
    leaves = [
        model.leaf(ID=f"LF.{k}", href=file, title=model.title(_content=what)) for k, file, what in _rows(documents)
    ]
    made: dict[str, Any] = {
        "OID": f"MDV.{study[0]}",
        "Name": f"Study {study[0]}, {guide.name} {guide.version}",
        "Description": f"Data definitions of {study[0]}",
        "DefineVersion": "2.1.0",
        "Standards": model.Standards(Standard=list(_standards(guide, standard))),
    }
    if documents:
        refs = [model.DocumentRef(leafID=f"LF.{number}") for number, _, _ in _rows(documents)]
        made["SupplementalDoc"] = model.SupplementalDoc(DocumentRef=refs)
    made |= _definitions(parts, groups)
    made["leaf"] = [*leaves, *(leaf(one, number) for number, one in enumerate(results, 1) if one.document)]
    if shown is not None:
        made["AnalysisResultDisplays"] = shown
    return model.MetaDataVersion(**{name: value for name, value in made.items() if value})


def _definitions(parts: Parts, groups: list[Any]) -> dict[str, Any]:
    return {
        "ValueListDef": parts.lists,
        "WhereClauseDef": list(parts.clauses.found.values()),
        "ItemGroupDef": groups,
        "ItemDef": parts.items,
        "CodeList": parts.codes.lists(),
        "MethodDef": parts.methods.methods(),
        "CommentDef": parts.comments.comments(),
    }


def _standards(guide: Guide, standard: Standard) -> Iterator[Any]:
    from odmlib.arm_1_0 import model

    yield model.Standard(OID="STD.IG", Name=guide.name, Type="IG", Version=guide.version, Status="Final")
    yield model.Standard(
        OID="STD.CT", Name="CDISC/NCI", Type="CT", PublishingSet="SDTM", Version=terminology.VERSION, Status="Final"
    )
    if standard == "adam":
        yield model.Standard(
            OID="STD.CT.ADAM", Name="CDISC/NCI", Type="CT", PublishingSet="ADaM", Version=terminology.VERSION,
            Status="Final",
        )  # fmt: skip


def _rows(documents: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(f"DOC.{number}", file, title) for number, (file, title) in enumerate(documents.items(), 1)]
