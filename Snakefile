# The door: everything is in workflow/. Without the second line an included `rule all` would be no default target.
include: "workflow/Snakefile"


workflow.default_target = "all"
