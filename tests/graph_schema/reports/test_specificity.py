"""A specificity matrix as a terminal shows it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from graph_schema.documents.specificity import Specificity
from graph_schema.reports.specificity import specificity_text
from tests.findings import specificity


def test_a_cell_stands_beside_random_heads_and_a_column_says_why_it_is_empty() -> None:
    text = specificity_text(specificity())
    assert "induction: 32 held-out pairs, logit_diff, ablation corrupt" in text
    assert "greater_than: untestable: accuracy is 0.12" in text
    assert "0.41 [0.37, 0.44] ~ 0.02 [-0.01, 0.09], p 0.02, 50" in text
    assert "0.41 [0.37, 0.44] ~ not available (7 distinct sets)" in text
    assert "induction: name_mover (a1.h0 a1.h1 a1.h2 a1.h3 a1.h4 a1.h5 and 2 more)" in text
    assert text.count("untestable") == 3
    assert Specificity.model_validate_json(specificity().model_dump_json()) == specificity()


def test_a_cell_of_no_task_is_refused() -> None:
    fields = specificity().model_dump()
    fields["cells"][0]["on"] = "9" * 64
    with pytest.raises(ValidationError, match="which is no task"):
        Specificity.model_validate(fields)
    fields = specificity().model_dump()
    fields["cells"][1]["random"]["sets"] = 19
    with pytest.raises(ValidationError, match="greater than or equal to 20"):
        Specificity.model_validate(fields)
