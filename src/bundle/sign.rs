//! Signatures as minisign makes them: of the MANIFEST, and by it of everything.

use std::io::{Cursor, IsTerminal};

use ct_codecs::{Base64, Decoder};

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
        let no_key = |error: &dyn std::fmt::Display| KeyError::NoKey(error.to_string());
        let line = text.lines().nth(1).ok_or_else(|| no_key(&"it has no second line"))?;
        let bytes = Base64::decode_to_vec(line.trim(), None).map_err(|error| no_key(&error))?;
        let key = minisign::SecretKey::from_bytes(&bytes).map_err(|error| no_key(&error))?;
        // minisign itself writes no checksum into a key without a password, and the library wants one: such a key is taken
        // as it is, and its first signature checked.
        if !key.is_encrypted() {
            return Ok(Self(key));
        }
        let Some(password) = password else { return Err(KeyError::NeedsPassword) };
        let key_box = minisign::SecretKeyBox::from_string(text).map_err(|error| no_key(&error))?;
        key_box.into_secret_key(Some(password.to_owned())).map(Self).map_err(|_| KeyError::WrongPassword)
    }

    /// Reads a key that is encrypted, and asks at the terminal for its password.
    ///
    /// # Errors
    /// [`KeyError::NeedsPassword`] if there is no terminal.
    pub fn ask(text: &str) -> Result<Self, KeyError> {
        if !std::io::stdin().is_terminal() {
            return Err(KeyError::NeedsPassword);
        }
        let password =
            rpassword::prompt_password("password of the key: ").map_err(|_| KeyError::NeedsPassword)?;
        Self::read(text, Some(&password))
    }

    /// Signs a list of files; `comment` is signed with it.
    ///
    /// # Errors
    /// [`KeyError::NoKey`] if the key does not sign as it should.
    pub fn sign(&self, list: &[u8], comment: &str) -> Result<String, KeyError> {
        let wrong = |error: minisign::PError| KeyError::NoKey(error.to_string());
        let public = minisign::PublicKey::from_secret_key(&self.0).map_err(wrong)?;
        let words = Some("signature of a lasthop bundle's MANIFEST");
        let signed = minisign::sign(Some(&public), &self.0, Cursor::new(list), Some(comment), words);
        signed.map(|signature| signature.into_string()).map_err(wrong)
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
