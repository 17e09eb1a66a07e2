//! Numbered places that are used again, with a generation that tells their users apart.

/// For drivers: values under an index and a generation; insert and remove take constant time.
///
/// A generation returns after 2^32 uses of one place. A place begins on a cache line of its own, and never moves: growth
/// copies nothing.
#[derive(Debug)]
pub struct Slots<T> {
    /// All of them full but the last.
    chunks: Vec<Vec<Slot<T>>>,
    /// The place that was left last; its successor is in the place.
    free: Option<u32>,
    len: usize,
}

/// A value that has up to 60 bytes is looked up with one cache miss.
#[derive(Debug)]
#[repr(align(64))]
struct Slot<T> {
    generation: u32,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Free { next: Option<u32> },
    Used(T),
}

/// Places of one chunk.
const CHUNK: usize = 64;

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: None, len: 0 }
    }
}

impl<T> Slots<T> {
    /// Bytes of a place.
    #[cfg(test)]
    pub(super) const PLACE: usize = size_of::<Slot<T>>();

    /// Stores a value; its index and generation.
    ///
    /// # Panics
    ///
    /// With 2^32 - 1 values at once: the memory ends first.
    pub fn insert(&mut self, value: T) -> (u32, u32) {
        self.len += 1;
        if let Some(index) = self.free
            && let Some(slot) = slot_mut(&mut self.chunks, index)
        {
            if let Content::Free { next } = slot.content {
                self.free = next;
            }
            slot.content = Content::Used(value);
            return (index, slot.generation);
        }
        let (before, chunk) = self.with_room();
        let index = u32::try_from(before * CHUNK + chunk.len()).ok().filter(|index| *index < u32::MAX);
        chunk.push(Slot { generation: 0, content: Content::Used(value) });
        (index.expect("fewer than 2^32 - 1 values at once"), 0)
    }

    /// Takes a value out; its index is used again, its generation is spent.
    pub fn remove(&mut self, index: u32, generation: u32) -> Option<T> {
        let slot = slot_mut(&mut self.chunks, index).filter(|slot| slot.generation == generation)?;
        if matches!(slot.content, Content::Free { .. }) {
            return None;
        }
        slot.generation = generation.wrapping_add(1);
        let content = std::mem::replace(&mut slot.content, Content::Free { next: self.free });
        self.free = Some(index);
        self.len -= 1;
        match content {
            Content::Used(value) => Some(value),
            Content::Free { .. } => None,
        }
    }

    /// Drops a value where it is; its index is used again, its generation is spent.
    pub fn discard(&mut self, index: u32, generation: u32) {
        let slot = slot_mut(&mut self.chunks, index).filter(|slot| slot.generation == generation);
        if let Some(slot) = slot.filter(|slot| matches!(slot.content, Content::Used(_))) {
            slot.generation = generation.wrapping_add(1);
            self.len -= 1;
            slot.content = Content::Free { next: self.free.replace(index) };
        }
    }

    /// The generation of the value that is at an index now.
    #[must_use]
    pub fn generation(&self, index: u32) -> Option<u32> {
        let slot = self.slot(index)?;
        matches!(slot.content, Content::Used(_)).then_some(slot.generation)
    }

    /// The value of this generation.
    #[inline]
    #[must_use]
    pub fn get(&self, index: u32, generation: u32) -> Option<&T> {
        match self.slot(index) {
            Some(Slot { generation: now, content: Content::Used(value) }) if *now == generation => {
                Some(value)
            }
            _ => None,
        }
    }

    /// The value of this generation.
    #[inline]
    pub fn get_mut(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        match slot_mut(&mut self.chunks, index) {
            Some(Slot { generation: now, content: Content::Used(value) }) if *now == generation => {
                Some(value)
            }
            _ => None,
        }
    }

    /// Index, generation and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, &T)> {
        (0_u32..).zip(self.chunks.iter().flatten()).filter_map(|(index, slot)| match &slot.content {
            Content::Used(value) => Some((index, slot.generation, value)),
            Content::Free { .. } => None,
        })
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        let index = index as usize;
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    /// The last chunk, with room for one more, and how many are before it.
    fn with_room(&mut self) -> (usize, &mut Vec<Slot<T>>) {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let last = self.chunks.len() - 1;
        (last, &mut self.chunks[last])
    }
}

/// Borrows the places alone.
#[inline]
fn slot_mut<T>(chunks: &mut [Vec<Slot<T>>], index: u32) -> Option<&mut Slot<T>> {
    let index = index as usize;
    chunks.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_generation_finds_nothing() {
        let mut slots = Slots::default();
        let (index, generation) = slots.insert('a');
        assert_eq!(slots.remove(index, generation), Some('a'));
        assert_eq!(slots.remove(index, generation), None);
        let (again, next) = slots.insert('b');
        assert_eq!((again, next), (index, generation + 1));
        assert_eq!((slots.get(index, generation), slots.get(index, next)), (None, Some(&'b')));
        slots.discard(index, generation);
        assert_eq!(slots.len(), 1, "it was spent");
        slots.discard(again, next);
        slots.discard(again, next);
        assert_eq!((slots.len(), slots.insert('c')), (0, (index, next + 1)));
    }

    #[test]
    fn a_place_does_not_move_when_there_are_more() {
        let mut slots = Slots::default();
        let (first, generation) = slots.insert(0_usize);
        let place = std::ptr::from_ref(slots.get(first, generation).expect("it is there"));
        let keys: Vec<_> = (1..3 * CHUNK).map(|value| slots.insert(value)).collect();
        assert!(std::ptr::eq(place, slots.get(first, generation).expect("it is there")));
        let found = keys.iter().map(|(index, generation)| slots.get(*index, *generation).copied());
        assert!(found.eq((1..3 * CHUNK).map(Some)));
        assert!(
            slots.iter().map(|(index, _, value)| (index as usize, *value)).eq((0..3 * CHUNK).map(|n| (n, n)))
        );
    }

    #[test]
    fn places_are_used_again() {
        let mut slots = Slots::default();
        let keys: Vec<_> = (0..100).map(|value| slots.insert(value)).collect();
        for (index, generation) in keys.iter().copied().filter(|(index, _)| index % 2 == 0) {
            assert_eq!(slots.remove(index, generation), Some(index));
        }
        assert_eq!((slots.len(), slots.iter().count()), (50, 50));
        let mut again: Vec<_> = (0..50).map(|_| slots.insert(0).0).collect();
        again.sort_unstable();
        assert!(again.iter().copied().eq((0..100).step_by(2)), "{again:?}");
        assert_eq!(slots.insert(0).0, 100);
    }
}
