# The service. Dependencies come from the lock file: these versions, these hashes, nothing else.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /srv/asterisk-ai
COPY requirements.lock requirements-mcp.lock ./
# --build-arg EXTRA=mcp adds what MCP servers as a source of tools need.
ARG EXTRA=""
RUN pip install --require-hashes --no-deps -r "requirements${EXTRA:+-$EXTRA}.lock"
COPY pyproject.toml README.md LICENSE .env.example ./
COPY app ./app
# Installed, so that the service knows its version and the command asterisk-ai (doctor, dialplan, ...) is there.
RUN pip install --no-deps . \
    && useradd --system --create-home --home-dir /data asterisk-ai

# The database and the secret key live in /data: mount a volume there.
USER asterisk-ai
VOLUME /data
ENV DATABASE_URL=sqlite:////data/asterisk-ai.db \
    WEB_HOST=0.0.0.0 \
    WEB_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["python", "-m", "app.main"]
