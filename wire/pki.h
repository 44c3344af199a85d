// A small certificate authority for a group of hosts: ECDSA P-256 certificates, PEM files, keys
// with mode 0600. Pure but for the files; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "wire/tls_context.h"

namespace flexai::wire {

struct Certified {
  std::string certificate;  // PEM
  std::string key;          // PEM, PKCS #8, not encrypted
};

// A self-signed authority named `name`.
base::Result<Certified> make_authority(const std::string& name, int days);

// A certificate for `name`, good for both ends of a connection. `others`: more names or addresses.
base::Result<Certified> issue(const Certified& authority, const std::string& name,
                              const std::vector<std::string>& others, int days);

// A list, signed by the authority, of certificates that are not good any more: those of `list`
// (PEM, empty: none) and this one.
base::Result<std::string> revoke(const Certified& authority, const std::string& list,
                                 const std::string& certificate);

// Whether the pair fits, is signed by `authority` (PEM) and is valid now; the text says what to do.
base::Status check(const Certified& certified, const std::string& authority);

// Written whole or not at all. A key is created with mode 0600 and never replaces one that exists
// (kConflict).
base::Status save_certificate(const std::string& path, const std::string& pem);
base::Status save_key(const std::string& path, const std::string& pem);

// A certificate's PEM file, or key's where `secret`: kDenied when others may read it.
base::Result<std::string> read_pem(const std::string& path, bool secret);

// FOLDER/host.crt, host.key, ca.crt, and ca.crl where it is, checked. kDenied for a key that others
// may read.
base::Result<TlsIdentity> load_identity(const std::string& folder);

}  // namespace flexai::wire
