# One image for each service: docker build --build-arg SERVICE=ingress -t whatsapp-cloud/ingress .
# SERVICE is one of ingress, conversation, sender, accounts; also wa, graph_emulator, ai_responder and demo.
# What is inside is what deploy/locks/images.txt says (make lock): exact versions, checked by hash.
ARG PYTHON_IMAGE=python:3.14-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ARG SERVICE
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=/app
WORKDIR /src
COPY deploy/locks/uv.txt ./
RUN python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r uv.txt \
    && /opt/uv/bin/uv venv /app
COPY deploy/locks ./
RUN --mount=type=cache,target=/root/.cache/uv lock=$(sed -n "s/^${SERVICE} \([^ ]*\) .*/\1/p" images.txt) \
    && /opt/uv/bin/uv pip install --require-hashes --no-deps -r "${lock:?is no image: ${SERVICE}}"
COPY libs libs
COPY services services
COPY tools tools
COPY examples examples
# The members are small and change often: they are a layer of their own, from these folders alone (their names for one
# another are those of the workspace, which is not here). uv has their build backend built in, so that nothing is
# fetched for it. /app/bin/service is what the image runs.
RUN sed -n "s/^${SERVICE} [^ ]* //p" images.txt > members \
    && xargs /opt/uv/bin/uv pip install --offline --no-deps --no-sources < members \
    && printf '#!/bin/sh\nexec /app/bin/python -m %s "$@"\n' "${SERVICE}" > /app/bin/service \
    && chmod 0755 /app/bin/service

FROM ${PYTHON_IMAGE}
ARG SERVICE
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whatsapp-cloud ${SERVICE}" \
      org.opencontainers.image.description="Event-driven backend for Meta's WhatsApp Cloud API: ${SERVICE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/app/bin:${PATH} PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HTTP_PORT=8000
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin app
COPY --from=build /app /app
# By number: Kubernetes cannot tell otherwise that it is not root. Nothing is written below the root file system; a
# read-only one needs a /tmp, where uploads that are larger than a megabyte are spooled.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-m", "common.http.probe"]
ENTRYPOINT ["/app/bin/service"]
