"""What methods and tasks are called, for help and shells: their documents take long to load."""

METHODS = ("exact", "eap", "eap-ig", "two-leg", "mask-ig", "acdc")
TASKS = (
    "ioi",
    "induction",
    "greater_than",
    "gendered_pronoun",
    "docstring",
    "subject_verb_agreement",
)
