# AttnSeg's command line on a server, without a GPU. Written, but not built by the tests.
#
#   docker build -t attnseg .
#   docker run --rm -v "$PWD/scans:/scans:ro" -v "$PWD/results:/results" attnseg \
#     cohort /scans --model anunet-left_atrium-mr --out /results
#
# For a GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130, and `docker run --gpus all`.
FROM python:3.12-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /attnseg

RUN pip install --no-cache-dir --index-url ${TORCH_INDEX} torch

# Editable: the models lie in Resources, which no wheel has.
COPY pyproject.toml README.md LICENSE.txt ./
COPY AttnSegLib AttnSegLib
COPY Resources Resources
RUN pip install --no-cache-dir --editable . && pip install --no-cache-dir --no-deps openvino

RUN useradd --create-home attnseg
USER attnseg
ENTRYPOINT ["attnseg"]
CMD ["--help"]
