# What every job has unless it says otherwise: a log, a benchmark, one thread, the fingerprint of the step that its command
# calls, and the environment with deep learning if that step imports it, else the one without.


def job_path(job):
    """Where a job's log and benchmark are: its name, then its wildcards in the order of its first output."""
    names = dict.fromkeys(re.findall(r"\{(\w+)", str(job.output[0])))
    pattern = ".".join(f"{{{name}}}" for name in names if name != "study")
    parts = ["{study}"] * ("study" in names) + [job.name] + [pattern] * bool(pattern)
    return os.path.join(*parts)


for job in workflow.rules:
    if job.output:
        if not job.log:
            job.log_modifier = job.output_modifier
            job.set_log(os.path.join("logs", f"{job_path(job)}.log"))
        if not job.benchmark:
            job.benchmark_modifier = job.output_modifier
            job.benchmark = os.path.join("benchmarks", f"{job_path(job)}.tsv")
        step = re.search(r"leukoflow\.(steps\.\w+)", job.shellcmd or "")
        if step and "code" not in job.params.keys():
            job.set_params(code=code_of(step[1]))
        if job.conda_env is None:
            deep = step and "torch" in libraries(f"leukoflow.{step[1]}")
            job.conda_env = f"../../envs/{'torch' if deep else 'core'}.yaml"
