//! Signatures as minisign makes them: of the MANIFEST, and by it of everything.

use std::io::{Cursor, IsTerminal};

/// A key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is no key of minisign.
    #[error("it is no minisign key: {0}")]
    NoKey(String),
    /// It is encrypted and no password was given.
    #[error("the key is encrypted")]
    NeedsPassword,
    /// The password is wrong.
    #[error("the password does not fit the key")]
    WrongPassword,
}

/// A secret key, as `minisign -G` writes it.
pub struct SecretKey(minisign::SecretKey);

/// A public key.
#[derive(Debug)]
pub struct PublicKey(minisign::PublicKey);

impl SecretKey {
    /// Reads a key file; `password` is for one that is encrypted.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(text: &str, password: Option<&str>) -> Result<Self, KeyError> {
        let key_box =
            || minisign::SecretKeyBox::from_string(text).map_err(|error| KeyError::NoKey(error.to_string()));
        match key_box()?.into_unencrypted_secret_key() {
            Ok(key) => return Ok(Self(key)),
            // Whatever is wrong beside encryption is told below, when it is read with a password.
            Err(_) if password.is_none() => {
                let plausible = text.lines().nth(1).is_some_and(|line| line.len() > 200);
                return Err(if plausible {
                    KeyError::NeedsPassword
                } else {
                    KeyError::NoKey("it is too short".to_owned())
                });
            }
            Err(_) => {}
        }
        let password = password.map(str::to_owned);
        key_box()?.into_secret_key(password).map(Self).map_err(|_| KeyError::WrongPassword)
    }

    /// Reads a key that is encrypted, and asks at the terminal for its password.
    ///
    /// # Errors
    /// [`KeyError::NeedsPassword`] if there is no terminal.
    pub fn ask(text: &str) -> Result<Self, KeyError> {
        if !std::io::stdin().is_terminal() {
            return Err(KeyError::NeedsPassword);
        }
        let key_box =
            minisign::SecretKeyBox::from_string(text).map_err(|error| KeyError::NoKey(error.to_string()))?;
        key_box.into_secret_key(None).map(Self).map_err(|_| KeyError::WrongPassword)
    }

    /// Signs a list of files; `comment` is signed with it.
    pub fn sign(&self, list: &[u8], comment: &str) -> Result<String, KeyError> {
        minisign::sign(
            None,
            &self.0,
            Cursor::new(list),
            Some(comment),
            Some("signature of a lasthop bundle's MANIFEST"),
        )
        .map(|signature| signature.into_string())
        .map_err(|error| KeyError::NoKey(error.to_string()))
    }
}

impl PublicKey {
    /// Reads a key file of two lines, or the key alone.
    ///
    /// # Errors
    /// [`KeyError::NoKey`].
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let no_key = |error: minisign::PError| KeyError::NoKey(error.to_string());
        let text = text.trim();
        if text.lines().count() > 1 {
            let key_box = minisign::PublicKeyBox::from_string(text).map_err(no_key)?;
            return key_box.into_public_key().map(Self).map_err(no_key);
        }
        minisign::PublicKey::from_base64(text).map(Self).map_err(no_key)
    }

    /// Whether a signature is this key's of this list; its signed comment if so.
    pub fn verify(&self, list: &[u8], signature: &str) -> Result<String, String> {
        let signature = minisign::SignatureBox::from_string(signature).map_err(|error| error.to_string())?;
        minisign::verify(&self.0, &signature, Cursor::new(list), true, false, false)
            .map_err(|error| error.to_string())?;
        signature.trusted_comment().map_err(|error| error.to_string())
    }
}
