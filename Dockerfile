# The gateway, its commands and the simulator: one image, which `docker-compose.yml` runs. No secret is ever in it.
FROM python:3.13.5-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/fairmeter
WORKDIR /build
# What changes seldom comes first: the parts, each as the lock file names it by hash.
COPY requirements.lock ./
RUN /opt/fairmeter/bin/pip install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY contracts contracts
COPY dashboards dashboards
COPY device_sim device_sim
COPY gateway gateway
RUN /opt/fairmeter/bin/pip install --no-deps .

FROM python:3.13.5-slim-bookworm
RUN groupadd --gid 10001 fairmeter \
    && useradd --uid 10001 --gid fairmeter --no-create-home --home-dir /data --shell /usr/sbin/nologin fairmeter \
    && install -d -o fairmeter -g fairmeter /data /data/contracts /backup /run/tokens
COPY --from=build /opt/fairmeter /opt/fairmeter
COPY gateway/deployment/fairmeter.toml /etc/fairmeter/fairmeter.toml
ENV PATH=/opt/fairmeter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FAIRMETER_SETTINGS=/etc/fairmeter/fairmeter.toml
WORKDIR /data
USER 10001:10001
HEALTHCHECK --interval=20s --timeout=10s --start-period=5m --retries=4 CMD ["fairmeter", "health"]
ENTRYPOINT ["fairmeter"]
CMD ["run"]
