FROM python:3.11-slim-bookworm
RUN useradd --create-home circuits
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY graph_schema graph_schema
COPY discovery discovery
COPY workers workers
# In a cluster the graph is Neo4j: everything of [worker] but the embedded server would do, yet one
# extra that is tested beats a second list that is not.
RUN pip install --no-cache-dir -c constraints.txt ".[worker]"
USER circuits
WORKDIR /home/circuits
# One job per main process; more by more containers.
CMD ["circuits", "worker"]
