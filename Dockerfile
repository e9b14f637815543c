# The hub in a container. Its state is the volume /data; Claude Code, hooks and channels stay on people's machines.
#   docker build -t heliograph . && docker run -p 7878:7878 -v heliograph:/data heliograph

FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/heliograph
COPY pyproject.toml README.md LICENSE ./
COPY wire wire
COPY hooks hooks
COPY channel channel
COPY cli cli
COPY hub hub
COPY web web
RUN /opt/heliograph/bin/pip install --no-cache-dir --disable-pip-version-check '.[hub]'

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data --no-create-home heliograph \
    && install --directory --mode 0700 --owner heliograph --group heliograph /data
COPY --from=build /opt/heliograph /opt/heliograph
ENV PATH=/opt/heliograph/bin:$PATH \
    HELIOGRAPH_HOME=/data \
    PYTHONUNBUFFERED=1
USER heliograph
VOLUME /data
EXPOSE 7878
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 \
    CMD ["python", "-I", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7878/healthz', timeout=3)"]
# The hub ends in order within 10 s of SIGTERM, Docker's own patience.
STOPSIGNAL SIGTERM
ENTRYPOINT ["heliograph"]
CMD ["hub", "--host", "0.0.0.0"]
