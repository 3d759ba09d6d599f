"""Certificates for tests, made by openssl."""

import ssl
import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=20)


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    def __init__(self, directory, name):
        self.directory, self.pem, self.key = directory, directory / f"{name}.pem", directory / f"{name}.key"
        openssl("req", "-x509", *NEW_KEY, "-keyout", self.key, "-out", self.pem, "-subj", f"/CN={name}", "-days", "2")

    def certify(self, name, host="localhost", days=2):
        """A server's context with a certificate for the host."""
        key, request, pem = (self.directory / f"{name}-server.{end}" for end in ("key", "csr", "pem"))
        alternative = f"subjectAltName=DNS:{host}"
        openssl("req", *NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={host}", "-addext", alternative)
        by = ("-CA", self.pem, "-CAkey", self.key, "-CAcreateserial", "-copy_extensions", "copy")
        openssl("x509", "-req", "-in", request, *by, "-days", days, "-out", pem)
        return server_context(pem, key)


def server_context(pem, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return context
