"""The application: what is asked at which address."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, no_type_check

from markupsafe import Markup

from myocard.data.formats.reading import FORMATS, SUFFIXES
from myocard.data.window import Stated
from myocard.errors import InputError
from myocard.models.exported import ONNXModel
from myocard.models.statement import Predictor
from myocard.report.templates import environment, text_of
from myocard.server.answers import Answer, Health, Refusal, answered, explained
from myocard.server.gate import App, Gate, Limits, Worker
from myocard.server.uploads import Sent

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Policy of the server's page: it loads nothing, and no other page frames it."""


def build(predictor: Predictor, limits: Limits) -> App:
    """Build the application around a model.

    Raises:
        InputError: When FastAPI or python-multipart is not installed.
    """
    try:
        import python_multipart  # noqa: F401
        from fastapi import FastAPI
    except ImportError as error:
        raise InputError("to serve a model, pip install 'myocard[serve]'") from error
    stated, worker = predictor.statement, Worker(limits)
    app = FastAPI(
        title=f"myocard: {stated.shape.task} from {stated.encoder}",
        version=version("myocard"),
        description="Predicts the record in a file. For research; not a medical device.",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    _refuse_in_words(app)
    _add_pages(app, predictor, worker)
    _add_questions(app, predictor, worker)
    return Gate(app, worker)


def _add_pages(app: "FastAPI", predictor: Predictor, worker: Worker) -> None:
    from fastapi.responses import HTMLResponse

    content, headers = _page(predictor, worker.limits), {"content-security-policy": _POLICY}
    health = Health(
        ready=True, model=predictor.statement.sha256, version=version("myocard"), waiting=0
    )

    @app.get("/", include_in_schema=False)
    async def upload_page() -> HTMLResponse:
        return HTMLResponse(content, headers=headers)

    @app.get("/health")
    async def state_of_the_server() -> Health:
        return health.model_copy(update={"waiting": worker.taken})


def _add_questions(app: "FastAPI", predictor: Predictor, worker: Worker) -> None:
    from fastapi import Depends, File, Form, UploadFile
    from fastapi.responses import HTMLResponse

    files_help = "The file of a record; or its files, such as a WFDB header and its signals"

    # FastAPI hands over Starlette's UploadFile, of which its own is a subclass.
    @no_type_check
    def asked(
        files: Annotated[list[UploadFile], File(description=files_help)],
        rate: Annotated[float | None, Form(description="Hz, if the file does not say")] = None,
        leads: Annotated[str | None, Form(description="such as I,II,V2: its rows")] = None,
        unit: Annotated[str | None, Form(description="mV, uV, V or NU")] = None,
    ) -> tuple[list[Sent], Stated]:
        names = tuple(leads.split(",")) if leads else None
        sent = [Sent(each.filename, each.file) for each in files if each.filename]
        return sent, Stated(rate, names, unit)

    Asked = Annotated[tuple[list[Sent], Stated], Depends(asked)]
    told = {413: "too large", 422: "not to be read or used", 503: "too many requests"}
    refusals: dict[int | str, dict[str, Any]] = {
        code: {"model": Refusal, "description": text} for code, text in told.items()
    }

    @app.post("/predict", response_model_exclude_none=True, responses=refusals)
    async def predict_a_record(record: Asked) -> Answer:
        return await worker.run(answered, predictor, *record)

    if _can_be_explained(predictor):

        @app.post("/explain", response_class=HTMLResponse, responses=refusals)
        async def explain_a_record(record: Asked) -> HTMLResponse:
            return HTMLResponse(await worker.run(explained, predictor, *record))


def _can_be_explained(predictor: Predictor) -> bool:
    return not isinstance(predictor, ONNXModel)


def _refuse_in_words(app: "FastAPI") -> None:
    """Answer what is wrong from outside by one sentence."""
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse

    def refusal(error: Exception) -> JSONResponse:
        flag = getattr(error, "reason", None) or None
        refused = Refusal(detail=" ".join(str(error).split()), flag=flag)
        return JSONResponse(refused.model_dump(exclude_none=True), 422)

    @app.exception_handler(InputError)
    async def refuse_input(request: "Request", error: InputError) -> "JSONResponse":
        return refusal(error)

    @app.exception_handler(Exception)
    async def fail(request: "Request", error: Exception) -> "JSONResponse":
        # The gate tells of its kind; what it says may name a file or a patient.
        return JSONResponse({"detail": "the server failed on this request"}, 500)

    @app.exception_handler(RequestValidationError)
    async def refuse_form(request: "Request", error: RequestValidationError) -> "JSONResponse":
        first = error.errors()[0]
        return refusal(InputError(f"{first['loc'][-1]}: {first['msg']}; send a form with files"))


def _page(predictor: Predictor, limits: Limits) -> str:
    """Render the page on which a file is chosen."""
    return (
        environment()
        .get_template("upload.html.jinja")
        .render(
            style=Markup(text_of("report.css")),
            stated=predictor.statement,
            formats=", ".join([*SUFFIXES, *(each.name for each in FORMATS)]),
            megabytes=f"{limits.megabytes:g}",
            can_be_explained=_can_be_explained(predictor),
            version=version("myocard"),
        )
    )
