"""The command `finetune`: a LoRA of Stable Diffusion, on frozen copies above a cutoff."""

from typing import Annotated

from cyclopts import Parameter

from ambient.cli.output import Parts, StopRequest, bar_of, say
from ambient.models.finetune.settings import LATEST, Settings


def finetune(
    *,
    settings: Annotated[Settings, Parameter("*")],
    resume_from_checkpoint: Annotated[
        str | None, Parameter(help=f"go on with a stage: checkpoint-N, or {LATEST}")
    ] = None,
) -> None:
    """Fine-tune Stable Diffusion on pictures with captions; `audit --stages` judges its stages."""
    from ambient.models.finetune.training import finetune as steps_of

    out, step = settings.output_dir, 0
    with StopRequest() as stop:
        with Parts(stop) as parts:
            steps = steps_of(settings, resume_from_checkpoint, show=say, tell=parts.tell)
            first = next(steps, None)
        with bar_of(settings.max_train_steps, "step") as bar:
            while first and not stop.asked:
                step = first.step
                bar.update(step - bar.n)
                bar.set_postfix(loss=f"{first.loss:.4f}", refresh=False)
                first = next(steps, None)
        steps.close()
    if step >= settings.max_train_steps or not step:
        say(
            f"done, step {settings.max_train_steps}: '{out}' is a LoRA for load_lora_weights. "
            f"Next: python -m ambient audit --model {settings.pretrained_model_name_or_path} "
            f"--stages {out} --train {settings.train_data_dir}"
        )
    else:
        say(f"stopped as asked; go on with the same and --resume_from_checkpoint {LATEST}")
