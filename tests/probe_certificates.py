"""Certificates for tests, made by openssl: an authority, three of it (one ends soon, one has ended), one by itself."""

import subprocess
from pathlib import Path

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
EXTENSIONS = "subjectAltName=DNS:www.example.com,IP:127.0.0.1\n"


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder, timeout=30)


def make(folder: Path) -> None:
    """ca.pem; good, soon, ended: .pem and .key of www.example.com; self.pem and .key."""
    openssl(folder, "req", "-x509", *KEY, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA", "-days", "90")
    openssl(folder, "req", "-x509", *KEY, "-keyout", "self.key", "-out", "self.pem", "-subj", "/CN=x", "-days", "90")
    (folder / "extensions").write_text(EXTENSIONS)
    (folder / "index").write_text("")
    (folder / "ca.conf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n"
        "policy=p\nunique_subject=no\n[p]\ncommonName=supplied\n"
    )
    for name, dates in {
        "good": ("-days", "90"),
        "soon": ("-days", "5"),
        "ended": ("-startdate", "20200101000000Z", "-enddate", "20200301000000Z"),
    }.items():
        openssl(folder, "req", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=www.example.com")
        signing = ("-cert", "ca.pem", "-keyfile", "ca.key", "-extfile", "extensions", "-notext", "-batch", *dates)
        openssl(folder, "ca", "-config", "ca.conf", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
