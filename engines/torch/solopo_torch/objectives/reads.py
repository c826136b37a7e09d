"""Which rows an objective reads, and of which tokens it asks a gradient."""

from .options import Arm, Context, ObjectiveOptions
from .rows import RowName


def trained_context(options: ObjectiveOptions) -> Context:
    """The context that the preference, or the likelihood, is trained on."""
    objective = options["objective"]
    if objective["kind"] == "sft":
        return objective["context"]
    return "long" if options["arm"] in ("long", "expand-long", "distil") else "short"


def aligned_responses(arm: Arm) -> tuple[str, ...]:
    """The responses whose long rewards the arm aligns with their short ones."""
    return {"solo": ("Chosen",), "solo-both": ("Chosen", "Rejected")}.get(arm, ())


def rows_read(options: ObjectiveOptions, aligned: bool = True) -> tuple[RowName, ...]:
    """Rows that the policy must run; a pair that is not of the aligned fraction is trained on its short rows alone."""
    context = trained_context(options)
    if options["objective"]["kind"] in ("sft", "distil"):
        return (f"{context}Chosen",)
    long = aligned_responses(options["arm"]) if aligned else ()
    return (f"{context}Chosen", f"{context}Rejected", *(f"long{response}" for response in long))


def prompt_read(options: ObjectiveOptions) -> RowName | None:
    """The context whose own tokens are scored too, if any."""
    objective = options["objective"]
    scores = objective["kind"] == "orpo" and objective["nll"] == "all"
    return f"{trained_context(options)}Prompt" if scores else None


def teacher_read(options: ObjectiveOptions) -> RowName | None:
    """The row on which the frozen reference is the teacher of the trained one, if any."""
    return "shortChosen" if options["objective"]["kind"] == "distil" else None


def backward_tail(options: ObjectiveOptions) -> int | None:
    """How many of the long prompt's last tokens have a gradient; None: all. Of the tokens before, keys and values are constants."""
    backward = options["alignment"].get("backward", "full")
    if backward == "full":
        return None
    return 1 if backward == "response" else backward["tail"]
