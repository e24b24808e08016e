"""What to cite with a circuit: its method, task, figures and model, and the circuit itself.

Entries are those of the papers that this project follows; a model is also named by its exact
commit or hash, since a paper names none.
"""

from __future__ import annotations

from graph_schema.documents import CircuitDocument
from graph_schema.printable import printable

_CIRCUIT = "circuit-"

_PAPERS = {
    "goldowskydill2023path": (
        "article",
        "Localizing Model Behavior with Path Patching",
        "Goldowsky-Dill, Nicholas and MacLeod, Chris and Sato, Lucas and Arora, Aryaman",
        "2023",
        "2304.05969",
    ),
    "syed2023attribution": (
        "article",
        "Attribution Patching Outperforms Automated Circuit Discovery",
        "Syed, Aaquib and Rager, Can and Conmy, Arthur",
        "2023",
        "2310.10348",
    ),
    "hanna2024faith": (
        "article",
        "Have Faith in Faithfulness: Going Beyond Circuit Overlap When Finding Model Mechanisms",
        "Hanna, Michael and Pezzelle, Sandro and Belinkov, Yonatan",
        "2024",
        "2403.17806",
    ),
    "conmy2023acdc": (
        "article",
        "Towards Automated Circuit Discovery for Mechanistic Interpretability",
        "Conmy, Arthur and Mavor-Parker, Augustine N. and Lynch, Aengus and Heimersheim, Stefan "
        "and Garriga-Alonso, Adri{\\`a}",
        "2023",
        "2304.14997",
    ),
    "marks2024sparse": (
        "article",
        "Sparse Feature Circuits: Discovering and Editing Interpretable Causal Graphs in Language "
        "Models",
        "Marks, Samuel and Rager, Can and Michaud, Eric J. and Belinkov, Yonatan and Bau, David "
        "and Mueller, Aaron",
        "2024",
        "2403.19647",
    ),
    "ameisen2025tracing": (
        "misc",
        "Circuit Tracing: Revealing Computational Graphs in Language Models",
        "Ameisen, Emmanuel and Lindsey, Jack and Pearce, Adam and others",
        "2025",
        "",
    ),
    "sundararajan2017axiomatic": (
        "article",
        "Axiomatic Attribution for Deep Networks",
        "Sundararajan, Mukund and Taly, Ankur and Yan, Qiqi",
        "2017",
        "1703.01365",
    ),
    "mueller2025mib": (
        "article",
        "{MIB}: A Mechanistic Interpretability Benchmark",
        "Mueller, Aaron and Geiger, Atticus and Wiegreffe, Sarah and others",
        "2025",
        "2504.13151",
    ),
    "shi2024hypothesis": (
        "article",
        "Hypothesis Testing the Circuit Hypothesis in {LLMs}",
        "Shi, Claudia and Beltran-Velez, Nicolas and Nazaret, Achille and Zheng, Carolina and "
        "Garriga-Alonso, Adri{\\`a} and Jesson, Andrew and Makar, Maggie and Blei, David M.",
        "2024",
        "2410.13032",
    ),
    "wang2022ioi": (
        "article",
        "Interpretability in the Wild: a Circuit for Indirect Object Identification in {GPT-2} "
        "Small",
        "Wang, Kevin and Variengien, Alexandre and Conmy, Arthur and Shlegeris, Buck and "
        "Steinhardt, Jacob",
        "2022",
        "2211.00593",
    ),
    "olsson2022induction": (
        "article",
        "In-context Learning and Induction Heads",
        "Olsson, Catherine and Elhage, Nelson and Nanda, Neel and others",
        "2022",
        "2209.11895",
    ),
    "hanna2023greater": (
        "article",
        "How does {GPT-2} compute greater-than?: Interpreting mathematical abilities in a "
        "pre-trained language model",
        "Hanna, Michael and Liu, Ollie and Variengien, Alexandre",
        "2023",
        "2305.00586",
    ),
    "linzen2016agreement": (
        "article",
        "Assessing the Ability of {LSTMs} to Learn Syntax-Sensitive Dependencies",
        "Linzen, Tal and Dupoux, Emmanuel and Goldberg, Yoav",
        "2016",
        "1611.01368",
    ),
    "mathwin2023pronoun": (
        "misc",
        "Identifying a Preliminary Circuit for Predicting Gendered Pronouns in {GPT-2} Small",
        "Mathwin, Chris and Corlouer, Guillaume and Kran, Esben and Barez, Fazl and Nanda, Neel",
        "2023",
        "",
    ),
    "heimersheim2023docstring": (
        "misc",
        "A circuit for {Python} docstrings in a 4-layer attention-only transformer",
        "Heimersheim, Stefan and Janiak, Jett",
        "2023",
        "",
    ),
    "radford2019gpt2": (
        "techreport",
        "Language Models are Unsupervised Multitask Learners",
        "Radford, Alec and Wu, Jeffrey and Child, Rewon and Luan, David and Amodei, Dario and "
        "Sutskever, Ilya",
        "2019",
        "",
    ),
    "biderman2023pythia": (
        "article",
        "Pythia: A Suite for Analyzing Large Language Models Across Training and Scaling",
        "Biderman, Stella and Schoelkopf, Hailey and Anthony, Quentin and others",
        "2023",
        "2304.01373",
    ),
    "touvron2023llama": (
        "article",
        "{LLaMA}: Open and Efficient Foundation Language Models",
        "Touvron, Hugo and Lavril, Thibaut and Izacard, Gautier and others",
        "2023",
        "2302.13971",
    ),
    "jiang2023mistral": (
        "article",
        "Mistral {7B}",
        "Jiang, Albert Q. and Sablayrolles, Alexandre and Mensch, Arthur and others",
        "2023",
        "2310.06825",
    ),
    "qwen2024qwen2": (
        "article",
        "Qwen2 Technical Report",
        "Yang, An and others",
        "2024",
        "2407.10671",
    ),
    "qwen2025qwen3": (
        "article",
        "Qwen3 Technical Report",
        "Yang, An and others",
        "2025",
        "2505.09388",
    ),
    "gemma2024gemma2": (
        "article",
        "Gemma 2: Improving Open Language Models at a Practical Size",
        "{Gemma Team}",
        "2024",
        "2408.00118",
    ),
    "gemma2025gemma3": (
        "article",
        "Gemma 3 Technical Report",
        "{Gemma Team}",
        "2025",
        "2503.19786",
    ),
    "olmo2025olmo2": ("article", "2 {OLMo} 2 Furious", "{Team OLMo}", "2025", "2501.00656"),
    "abdin2024phi3": (
        "article",
        "Phi-3 Technical Report: A Highly Capable Language Model Locally on Your Phone",
        "Abdin, Marah and others",
        "2024",
        "2404.14219",
    ),
}
METHODS = {
    "exact": ("goldowskydill2023path",),
    "eap": ("syed2023attribution",),
    "eap-ig": ("hanna2024faith",),
    "two-leg": ("marks2024sparse",),
    "mask-ig": ("sundararajan2017axiomatic",),
    "acdc": ("conmy2023acdc",),
    "trace": ("ameisen2025tracing",),
    "imported": (),
}
TASKS = {
    "ioi": "wang2022ioi",
    "induction": "olsson2022induction",
    "greater_than": "hanna2023greater",
    "gendered_pronoun": "mathwin2023pronoun",
    "docstring": "heimersheim2023docstring",
    "subject_verb_agreement": "linzen2016agreement",
}
FAMILIES = {
    "gpt2": "radford2019gpt2",
    "gpt_neox": "biderman2023pythia",
    "llama": "touvron2023llama",
    "mistral": "jiang2023mistral",
    "qwen2": "qwen2024qwen2",
    "qwen3": "qwen2025qwen3",
    "gemma2": "gemma2024gemma2",
    "gemma3_text": "gemma2025gemma3",
    "olmo2": "olmo2025olmo2",
    "phi3": "abdin2024phi3",
    "smeared": "olsson2022induction",
}
_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{mark: f"\\{mark}" for mark in "&%$#_"},
        # BibTeX counts braces without regard to a backslash.
        "{": r"\textbraceleft{}",
        "}": r"\textbraceright{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)


def bibtex(circuit: CircuitDocument) -> str:
    """BibTeX of everything that a circuit stands on, the circuit itself first."""
    model = circuit.model
    keys = [*METHODS[circuit.method.name]]
    if (quality := circuit.evaluation) is not None:
        keys += ["mueller2025mib"] if quality.cmd.value is not None else []
        keys += ["shi2024hypothesis"] if quality.tests else []
    if circuit.task in TASKS:
        keys.append(TASKS[circuit.task])
    if model.family in FAMILIES:
        keys.append(FAMILIES[model.family])
    return "\n\n".join([_own(circuit), _model(circuit), *map(_paper, dict.fromkeys(keys))])


def _own(circuit: CircuitDocument) -> str:
    task = escaped(circuit.task or "an unnamed task")
    how = [circuit.method.name]
    how += [f"metric {circuit.metric}"] if circuit.metric else []
    how += [f"ablation {circuit.ablation.kind}"] if circuit.ablation else []
    data = f"; dataset {circuit.dataset_sha256}" if circuit.dataset_sha256 else ""
    fields = {
        "title": f"A circuit for {task} in {escaped(circuit.model.name)}",
        "howpublished": "Circuit Atlas",
        "note": f"Circuit {circuit.circuit_id}; {escaped(', '.join(how))}{data}",
    }
    return _entry("misc", f"{_CIRCUIT}{circuit.circuit_id[:12]}", fields)


def _model(circuit: CircuitDocument) -> str:
    model = circuit.model
    fields = {
        "title": escaped(model.name),
        "note": f"{escaped(model.architecture)}, fingerprint {model.fingerprint}",
    }
    return _entry("misc", f"model-{model.fingerprint[:12]}", fields)


def _paper(key: str) -> str:
    kind, title, author, year, arxiv = _PAPERS[key]
    fields = {"title": title, "author": author, "year": year}
    if arxiv:
        fields |= {"journal": f"arXiv:{arxiv}"}
    return _entry(kind, key, fields)


def escaped(words: str) -> str:
    """Text as TeX reads it back: what means something to it is escaped."""
    return printable(" ".join(words.split())).translate(_ESCAPES)


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}\n}}"
