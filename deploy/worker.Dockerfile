FROM python:3.11-slim-bookworm
# A new volume takes its owner from the folder that it is mounted on.
RUN groupadd --gid 10001 circuits \
    && useradd --uid 10001 --gid circuits --create-home circuits \
    && install --directory --owner circuits --group circuits /artifacts /models /models/hub
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY graph_schema graph_schema
COPY discovery discovery
COPY workers workers
# In a cluster the graph is Neo4j: everything of [worker] but the embedded server would do, yet one
# extra that is tested beats a second list that is not.
RUN pip install --no-cache-dir -c constraints.txt ".[worker,s3]"
# By number: Kubernetes takes no name for a proof that it is not root.
USER 10001:10001
WORKDIR /home/circuits
# One job per main process; more by more containers.
CMD ["circuits", "worker"]
