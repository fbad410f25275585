# The SQS server of the local fleet, a stand-in for AWS. Built from the repository's root.

FROM python:3.11-slim-bookworm
COPY deploy/requirements/sqs.txt /opt/m2n/sqs.txt
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r /opt/m2n/sqs.txt
COPY deploy/docker/healthy.py deploy/sqs/server.py /opt/m2n/
RUN useradd --system --uid 10001 --no-create-home m2n && install -d -o m2n -g m2n /data
ENV APP_PORT=4566 \
    BIND_HOST=0.0.0.0 \
    GATEWAY_PORT=4566 \
    SERVICES=sqs \
    PERSIST_STATE=1 \
    STATE_DIR=/data \
    S3_DATA_DIR=/data/s3 \
    MINISTACK_REGION=eu-central-1 \
    LOG_LEVEL=WARNING \
    PYTHONUNBUFFERED=1
USER m2n
WORKDIR /data
CMD ["python", "/opt/m2n/server.py"]
