//! As much of Thrift's compact protocol as is needed to look at what a Parquet file says of itself before
//! anything believes it.

/// What is not as it says. The file is damaged.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lie;

/// Types on the wire.
pub(super) const I32: u8 = 5;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

/// How deep structures may be nested; Parquet's own are about ten.
const DEPTH: usize = 32;

/// Walks over encoded structures.
pub(super) struct Walker<'a> {
    data: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Walker<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, depth: 0 }
    }

    /// Bytes walked over.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Result<u8, Lie> {
        let byte = *self.data.get(self.at).ok_or(Lie)?;
        self.at += 1;
        Ok(byte)
    }

    fn pass(&mut self, bytes: u64) -> Result<(), Lie> {
        let bytes = usize::try_from(bytes).map_err(|_| Lie)?;
        if bytes > self.data.len() - self.at {
            return Err(Lie);
        }
        self.at += bytes;
        Ok(())
    }

    pub(super) fn varint(&mut self) -> Result<u64, Lie> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Lie)
    }

    /// A signed number.
    pub(super) fn number(&mut self) -> Result<i64, Lie> {
        let raw = self.varint()?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// Walks over a structure; `field` gets the number and type of each field, and takes it or skips it.
    pub(super) fn structure(
        &mut self,
        mut field: impl FnMut(&mut Self, i64, u8) -> Result<(), Lie>,
    ) -> Result<(), Lie> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Lie);
        }
        let mut id = 0i64;
        loop {
            let head = self.byte()?;
            let kind = head & 0x0f;
            if head == 0 {
                self.depth -= 1;
                return Ok(());
            }
            id = match head >> 4 {
                0 => self.number()?,
                delta => id.saturating_add(i64::from(delta)),
            };
            field(self, id, kind)?;
        }
    }

    /// Begins a list: the type of its elements and how many. There are never more than bytes are left.
    pub(super) fn list(&mut self) -> Result<(u8, usize), Lie> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.varint()?).map_err(|_| Lie)?,
            count => usize::from(count),
        };
        if count > self.data.len() - self.at {
            return Err(Lie);
        }
        Ok((head & 0x0f, count))
    }

    /// Walks over a value of any type.
    pub(super) fn skip(&mut self, kind: u8) -> Result<(), Lie> {
        match kind {
            // In a field, the type is the value.
            1 | 2 => Ok(()),
            3 => self.pass(1),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            LIST | 10 => {
                let (kind, count) = self.list()?;
                self.depth += 1;
                if self.depth > DEPTH {
                    return Err(Lie);
                }
                for _ in 0..count {
                    match kind {
                        1 | 2 => self.pass(1)?,
                        kind => self.skip(kind)?,
                    }
                }
                self.depth -= 1;
                Ok(())
            }
            STRUCT => self.structure(|walker, _, kind| walker.skip(kind)),
            _ => Err(Lie),
        }
    }
}

/// That a footer's structure is whole and no deeper or wider than what follows can take.
pub(super) fn check_footer(footer: &[u8], depth: usize, columns: usize) -> Result<(), Lie> {
    let mut walker = Walker::new(footer);
    walker.structure(|walker, id, kind| match (id, kind) {
        (2, LIST) => check_schema(walker, depth, columns),
        (_, kind) => walker.skip(kind),
    })
}

/// That the tree of columns is not too deep, which its reader finds out too late.
fn check_schema(walker: &mut Walker<'_>, depth: usize, columns: usize) -> Result<(), Lie> {
    let (kind, count) = walker.list()?;
    // Each column, and what it is nested in.
    if kind != STRUCT || count > columns.saturating_mul(depth) {
        return Err(Lie);
    }
    // Children that are still to come, by level.
    let mut open: Vec<u64> = Vec::new();
    for _ in 0..count {
        let mut children = 0i64;
        walker.structure(|walker, id, kind| match (id, kind) {
            (5, I32) => {
                children = walker.number()?;
                Ok(())
            }
            (_, kind) => walker.skip(kind),
        })?;
        while open.last() == Some(&0) {
            open.pop();
        }
        if let Some(last) = open.last_mut() {
            *last -= 1;
        }
        if children > 0 {
            open.push(children.cast_unsigned());
            // A list is three levels of these, and the root one.
            if open.len() > 3 * depth + 1 {
                return Err(Lie);
            }
        }
    }
    Ok(())
}

/// What a page says of itself.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// 0 and 3 are data, 2 is a dictionary.
    pub(super) kind: i64,
    pub(super) unpacked: i64,
    pub(super) packed: i64,
    pub(super) values: i64,
    pub(super) encoding: i64,
    /// Bytes of levels in front, where they are apart.
    pub(super) levels: i64,
    pub(super) is_packed: bool,
}

/// The header at the start of `data`, and its length.
pub(super) fn page_header(data: &[u8]) -> Result<(PageHeader, usize), Lie> {
    let mut page = PageHeader { is_packed: true, kind: -1, ..PageHeader::default() };
    let mut walker = Walker::new(data);
    walker.structure(|walker, id, kind| {
        match (id, kind) {
            (1, I32) => page.kind = walker.number()?,
            (2, I32) => page.unpacked = walker.number()?,
            (3, I32) => page.packed = walker.number()?,
            (5 | 7, STRUCT) => walker.structure(|walker, id, kind| match (id, kind) {
                (1, I32) => walker.number().map(|n| page.values = n),
                (2, I32) => walker.number().map(|n| page.encoding = n),
                (_, kind) => walker.skip(kind),
            })?,
            (8, STRUCT) => walker.structure(|walker, id, kind| match (id, kind) {
                (1, I32) => walker.number().map(|n| page.values = n),
                (4, I32) => walker.number().map(|n| page.encoding = n),
                (5 | 6, I32) => {
                    let bytes = walker.number()?;
                    page.levels = if bytes < 0 { -1 } else { page.levels.saturating_add(bytes) };
                    Ok(())
                }
                (7, kind @ (1 | 2)) => {
                    page.is_packed = kind == 1;
                    Ok(())
                }
                (_, kind) => walker.skip(kind),
            })?,
            (_, kind) => walker.skip(kind)?,
        }
        Ok(())
    })?;
    Ok((page, walker.at()))
}

/// Numbers written as their differences: how many there are, and where they end.
pub(super) fn differences(data: &[u8]) -> Result<(u64, usize), Lie> {
    let mut walker = Walker::new(data);
    let (block, parts, count) = (walker.varint()?, walker.varint()?, walker.varint()?);
    walker.number()?;
    if block == 0 || block > 1 << 20 || parts == 0 || block % 128 != 0 || block % parts != 0 {
        return Err(Lie);
    }
    let each = block / parts;
    let mut left = count.saturating_sub(1);
    while left > 0 {
        walker.number()?;
        let widths = walker.at;
        walker.pass(parts)?;
        for part in 0..parts {
            if left == 0 {
                break;
            }
            let width = u64::from(walker.data[widths + usize::try_from(part).map_err(|_| Lie)?]);
            if width > 64 {
                return Err(Lie);
            }
            // The last ones may be cut off where no value needs them.
            let bytes = (each * width).div_ceil(8);
            walker.pass(bytes).or_else(|lie| {
                if left <= each {
                    walker.at = walker.data.len();
                    Ok(())
                } else {
                    Err(lie)
                }
            })?;
            left = left.saturating_sub(each);
        }
    }
    Ok((count, walker.at))
}
