"""The scorer as MLflow runs it: a models-from-code script, stored with each version as text.

Nothing is unpickled. The script needs leadloop installed where it runs; it carries no copy of our code, so two versions in one process
cannot mix theirs.
"""

import mlflow
import pandas as pd


class ScorerModel(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    """Scores flat frames: one row a lead, columns as the model was trained on."""

    def load_context(self, context: object) -> None:
        from training.scorer.artifact import load_scorer_folder

        self.scorer = load_scorer_folder(context.artifacts["scorer"])  # type: ignore[attr-defined]

    def predict(self, context: object, model_input: pd.DataFrame, params: dict | None = None) -> pd.DataFrame:
        return pd.DataFrame(
            {"probability": self.scorer.predict_proba(model_input)[:, 1]}, index=model_input.index
        )


mlflow.models.set_model(ScorerModel())
