# One image for every service; compose.yaml says which command each runs.
FROM python:3.12-slim

# Which faiss build and which storage drivers go in: cpu or gpu, postgres, s3, demo.
ARG EXTRAS=cpu,postgres,s3
# Where pip finds torch; empty is the default index, whose Linux build carries CUDA (several GB).
# The install selector on pytorch.org gives the address of the small CPU build.
ARG TORCH_INDEX_URL=""

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LINEWATCH_HOME=/var/lib/linewatch

RUN useradd --uid 10001 --create-home --home-dir /var/lib/linewatch linewatch

WORKDIR /opt/linewatch
COPY pyproject.toml README.md ./
COPY linewatch linewatch
COPY ingest ingest
COPY workers workers
COPY models models
COPY db db
COPY dashboard dashboard
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
        pip install --no-cache-dir --index-url "$TORCH_INDEX_URL" torch torchvision; \
    fi \
    && pip install --no-cache-dir ".[$EXTRAS]"

USER linewatch
VOLUME /var/lib/linewatch
ENTRYPOINT ["linewatch"]
CMD ["--help"]
