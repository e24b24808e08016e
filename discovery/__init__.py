"""The science: a job, a model and prompt pairs go in, circuits with their evidence come out.

`tasks` make pairs and `models` run them; `engine` computes what a model does with edges ablated;
`methods` score edges or prune them; `evaluation` measures the circuit that results; `known` holds
circuits whose edges are known. `discover` and `judging` put these together for a job.
"""

__all__: list[str] = []
