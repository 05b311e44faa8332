# Static binaries of orderd and of its laboratory, in an image with nothing else in it: no shell, no
# package manager, not root.
FROM golang:1.26 AS build
WORKDIR /src
# Modules first: they change less often than the code.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# What --version, the metrics and the API's document say; the repository is not in here.
ARG REVISION=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.revision=$REVISION" -o /out/ ./cmd/orderd ./loadtest && mkdir /out/results

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/orderd /out/loadtest /usr/local/bin/
# Where loadtest writes; owned by the image's user.
COPY --from=build --chown=65532:65532 /out/results /results
WORKDIR /
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/orderd"]
CMD ["serve"]
