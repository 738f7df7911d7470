# One small image with the one binary; every service of docker-compose.yml is a command of it.
#
#   docker build -t checkout-saga .

FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked && cp target/release/checkout /checkout

FROM debian:bookworm-slim
# For amqps:// and for a database with TLS.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data checkout \
    && install --directory --owner checkout /data
COPY --from=build /checkout /usr/local/bin/checkout
USER 10001
# Only `checkout all` on SQLite writes here.
WORKDIR /data
ENV CHECKOUT_LISTEN=0.0.0.0:8080 CHECKOUT_LOG_FORMAT=json
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["checkout", "health"]
# SIGTERM finishes what is in hand, ten seconds at most.
STOPSIGNAL SIGTERM
ENTRYPOINT ["checkout"]
CMD ["all"]
